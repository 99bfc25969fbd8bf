"""The inventory: zones and devices over all stores."""
