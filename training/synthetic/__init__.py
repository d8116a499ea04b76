"""Generated requests for when a plan's own history is not there.

A clinical story comes first (what was tried, when, how it went), then the documents a clinic would send about it. The
label is judged from the story under the policy, by code that never sees how greenlane reads the documents: nothing here
imports the reading side of ``features``. Phrases and styles are data beside the code, in two banks: ``seen`` for
what the model learns from, ``unseen`` for calibration, certification and test.
"""
