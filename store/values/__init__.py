"""Parsers, and some writers, of texts that people or machines write in files, requests and messages. Pure.

Besides `store.record`, this is the only folder of the store that rules and simulators may import: a duration has the
same form in a configuration, a rule, a fleet of simulated devices and a request.
"""
