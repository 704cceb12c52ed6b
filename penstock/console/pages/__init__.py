"""The pages, one file each: what a page asks of the cluster, and the template that shows it."""
