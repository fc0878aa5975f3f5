#!/usr/bin/env bash
# Says what became of a job: running (or queued), success, failed. PBS; needs the history of jobs (qstat -x).
job=$1
# a server that does not answer says nothing about the job, so it is asked again before the job counts as lost
for pause in 5 20 60 0; do
    if answer=$(qstat -x -f "$job" 2>&1); then
        case $(sed -n 's/^ *job_state = //p' <<<"$answer") in
            F | C) [ "$(sed -n 's/^ *Exit_status = //p' <<<"$answer")" = 0 ] && echo success || echo failed ;;
            *) echo running ;;
        esac
        exit
    fi
    [[ $answer == *"Unknown Job"* ]] && break
    sleep "$pause"
done
# Snakemake submits it again: a stage that was complete all the same is published again in seconds
echo failed
