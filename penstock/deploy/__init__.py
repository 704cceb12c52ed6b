"""From the topology to the cluster: what differs, what to change, what is running, what is wrong."""
