"""Providers that live on this machine: they speak the real ones' HTTP, so that the real libraries run."""
