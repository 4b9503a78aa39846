"""Pictures and charts from arrays: it knows no model, no data and no run."""
