"""The OpenAI door: mixtures as model names for whatever speaks OpenAI's protocol, and a page to watch them think."""
