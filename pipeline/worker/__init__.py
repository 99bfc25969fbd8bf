"""The worker process: topology, store, rules, archives, webhooks and HTTP, assembled."""
