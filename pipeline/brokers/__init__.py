"""Brokers that the gateway subscribes to: what others publish there goes the way of what devices publish to us.

settings → subscriptions (all of them) → subscription (one broker, for ever) → connection (one TCP connection)
"""
