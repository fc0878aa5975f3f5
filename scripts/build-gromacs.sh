#!/usr/bin/env bash
# GROMACS from the distribution's own source, for the processor (and GPU) at hand, into a prefix of the project.
# A rerun continues where the last one was stopped; a finished build is left alone.
#   scripts/build-gromacs.sh [PREFIX] [JOBS]        GROMACS_GPU=OFF builds without CUDA whatever is there
set -euo pipefail

prefix=$(realpath -m "${1:-.gromacs}")
jobs=${2:-$(nproc)}
work=$prefix/build

if [ -e "$prefix/vector-units" ] && "$prefix/bin/gmx" --version >/dev/null 2>&1; then
    echo "gromacs: $prefix/bin/gmx is built already; delete $prefix to build it afresh"
    exit 0
fi

fail() {
    echo "gromacs: $*" >&2
    exit 1
}

missing() {
    local packages=()
    command -v cmake >/dev/null || packages+=(cmake)
    command -v make >/dev/null || packages+=(make)
    command -v g++ >/dev/null || packages+=(g++)
    command -v dpkg-source >/dev/null || packages+=(dpkg-dev)
    [ -e /usr/include/fftw3.h ] || g++ -E -x c++ - <<<'#include <fftw3.h>' >/dev/null 2>&1 || packages+=(libfftw3-dev)
    echo "${packages[*]}"
}

command -v apt-get >/dev/null || fail "the source comes by apt-get, which is not here; build GROMACS yourself and name it: gmx: {command: /path/to/gmx}"
# The machine's package sources with deb-src for deb, in a configuration of our own; the system's stays as it is.
sources=$work/apt/sources
mkdir -p "$sources" "$work/apt/lists/partial" "$work/apt/archives/partial"
deb_src() { sed -E 's/^deb([ \t])/deb-src\1/; s/^Types:.*/Types: deb-src/' "$1" >"$sources/$2"; }
[ ! -f /etc/apt/sources.list ] || deb_src /etc/apt/sources.list main.list
for file in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ ! -f "$file" ] || deb_src "$file" "$(basename "$file")"
done
private_apt() {
    apt-get -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$sources" -o Dir::State::Lists="$work/apt/lists" \
        -o Dir::Cache="$work/apt" -o APT::Sandbox::User="$(id -un)" "$@"
}

# Before anything is installed: a mirror may lack the source, or list it and not have it.
if [ ! -e "$work/source/.unpacked" ] && [ ! -e "$work/archive/.whole" ]; then
    echo "gromacs: fetches the source of the distribution's package"
    rm -rf "$work/archive"
    mkdir -p "$work/archive"
    # a source of packages without sources is no reason to stop
    private_apt update -qq >/dev/null 2>&1 || true
    if ! said=$(cd "$work/archive" && private_apt source -qq --download-only gromacs 2>&1); then
        rm -rf "$work"
        rmdir "$prefix" 2>/dev/null || true
        reason=$(grep -m1 '^E: ' <<<"$said" || tail -n 1 <<<"$said")
        fail "the source of GROMACS cannot be had here (${reason#E: }); build it yourself and name it: gmx: {command: /path/to/gmx}"
    fi
    touch "$work/archive/.whole"
fi

packages=$(missing)
if [ -n "$packages" ]; then
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo -n)
    if "${root[@]}" true 2>/dev/null; then
        echo "gromacs: installs $packages"
        # shellcheck disable=SC2086
        "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -y -qq --no-install-recommends $packages >/dev/null
    fi
    packages=$(missing)
    [ -z "$packages" ] || fail "cannot build without these packages, and this user cannot install them: $packages (apt-get install $packages)"
fi

if [ ! -e "$work/source/.unpacked" ]; then
    rm -rf "$work/source"
    dpkg-source -q --no-check -x "$work"/archive/gromacs_*.dsc "$work/source" || fail "the source cannot be unpacked (above)"
    rm -rf "$work/archive" "$work"/gromacs_*
    touch "$work/source/.unpacked"
fi

# A toolkit alone is not enough: machines without a GPU have it, too, and a build for CUDA is slower there.
gpu=OFF tree=$work/tree cuda=()
if [ "${GROMACS_GPU:-auto}" != OFF ] && command -v nvcc >/dev/null && nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    gpu=CUDA tree=$work/tree-cuda
    # Each option twice: GROMACS 2022 uses cmake's old module for CUDA, newer ones its language CUDA.
    # cmake would hand nvcc the compiler for C, with which newer nvcc links no C++: cmake takes it for a broken toolkit.
    cuda=("-DCUDA_HOST_COMPILER=$(command -v g++)" "-DCMAKE_CUDA_HOST_COMPILER=$(command -v g++)")
    # The GPUs that are here, else all that this nvcc knows: GROMACS 2022 names none newer than 8.0, and older builds name
    # some that newer nvcc has dropped.
    targets=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | sort -u | paste -sd ';' || true)
    [[ $targets =~ ^[0-9]+(\;[0-9]+)*$ ]] ||
        targets=$(nvcc --list-gpu-arch 2>/dev/null | sed -n 's/^compute_\([0-9]*\)$/\1/p' | sort -un | paste -sd ';' || true)
    [ -z "$targets" ] || cuda+=("-DGMX_CUDA_TARGET_SM=$targets" "-DCMAKE_CUDA_ARCHITECTURES=$targets")
    # from 13.0 on nvcc hides kernels that GROMACS 2022 compiles in one file and launches from another
    stubs=-static-global-template-stub
    [[ $(nvcc --help 2>/dev/null) != *"$stubs"* ]] || cuda+=("-DCUDA_NVCC_FLAGS=$stubs=false" "-DCMAKE_CUDA_FLAGS=$stubs=false")
fi
# GROMACS 2022 knows no AMD processor with AVX-512 and would choose the narrower AVX2 for it.
processor() { grep -m1 "^$1" /proc/cpuinfo 2>/dev/null || true; }
wanted=AUTO
if [[ $(processor vendor_id) == *AMD* && $(processor flags) == *avx512f*avx512dq*avx512bw*avx512vl* ]]; then
    wanted=AVX_512
fi
configure() {
    # MPI is not used here, but half of one on the machine (programs without headers) would stop cmake
    cmake -S "$work/source" -B "$tree" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" -DGMX_GPU="$gpu" \
        -DGMX_SIMD=$wanted -DGMX_MPI=OFF -DBUILD_SHARED_LIBS=OFF -DGMXAPI=OFF -DGMX_INSTALL_NBLIB_API=OFF -DBUILD_TESTING=OFF \
        -DGMX_VERSION_STRING_OF_FORK=native -DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON ${cuda[@]+"${cuda[@]}"} >"$tree.log" 2>&1
}
if [ $gpu = CUDA ] && ! configure; then
    echo "gromacs: this GROMACS cannot be configured for this CUDA ($tree.log); builds for processors alone"
    gpu=OFF tree=$work/tree cuda=()
fi
[ $gpu = CUDA ] || configure || fail "cmake failed: $tree.log"
simd=$(sed -n 's/^GMX_SIMD_ACTIVE_PREVIOUS_VALUE:INTERNAL=//p' "$tree/CMakeCache.txt")
echo "gromacs: builds with $simd and GPU $gpu on $jobs cores; about 25 core-minutes, and a rerun continues"
cmake --build "$tree" --parallel "$jobs" --target install >"$work/build.log" 2>&1 ||
    fail "the build stopped: $work/build.log; make gromacs continues$([ $gpu = OFF ] || echo ', GROMACS_GPU=OFF make gromacs builds without CUDA')"

# What a processor needs to run it, in the kernel's words: the folder may be shared by machines of different kinds.
case $simd in
    SSE2) units=sse2 ;;
    SSE4.1) units=sse4_1 ;;
    AVX_128_FMA) units="avx fma4" ;;
    AVX_256) units=avx ;;
    AVX2_*) units="avx2 fma" ;;
    AVX_512) units="avx512f avx512dq avx512bw avx512vl fma" ;;
    AVX_512_KNL) units="avx512f avx512er" ;;
    ARM_NEON_ASIMD) units=asimd ;;
    ARM_SVE) units=sve ;;
    *) units= ;;
esac
"$prefix/bin/gmx" --version >/dev/null 2>&1 || fail "the build does not run: $prefix/bin/gmx --version"
echo "$units" >"$prefix/vector-units"
rm -rf "$work"
"$prefix/bin/gmx" --version 2>/dev/null | grep -E '^(GROMACS version|SIMD instructions|GPU support)'
echo "gromacs: $prefix/bin/gmx is what plain gmx means to EOLI from now on; delete $prefix to go back"
