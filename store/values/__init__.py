"""What a text means that people or machines write, in files, requests and messages alike: one reading of each. Pure.

The one folder of the store, beside `store.record`, that rules and simulators may import: a duration is the same text
in a configuration, a rule, a fleet of simulated devices and a request.
"""
