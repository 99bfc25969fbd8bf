"""Who and where: the zones, and the devices that were heard of, over all stores that are asked."""
