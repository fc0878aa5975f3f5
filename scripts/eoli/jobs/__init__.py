"""Jobs: the edge functions of the analyses, files in and files out."""
