"""The dashboard of the car: page, API, event stream and metrics; reads, never decides a trade."""
