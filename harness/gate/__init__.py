"""The regression gate: is a simulator worse than its baseline on a frozen set of calls?"""
