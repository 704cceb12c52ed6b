"""The record of what ran: written beside the work to `<name>.runs`, read back as attempts, costs and traces."""
