"""The main job, run and shown: one day of the org from Salesforce to dm, every hop counted anew."""
