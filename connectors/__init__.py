"""The connectors of the desk, one file per outside system; they import only the public penstock."""
