"""Evaluation awareness: does the candidate take simulated turns for an evaluation more often than recorded ones?"""
