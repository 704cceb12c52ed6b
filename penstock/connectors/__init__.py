"""The connectors that come with penstock, one file per outside system; what each can be told stands in topology/."""
