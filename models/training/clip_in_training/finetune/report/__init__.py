"""What a run did, as a page that loads nothing."""
