"""The hand on the lever: what operators tell the workers over `<name>.control`, and how workers hear it."""
