"""The models that come with the program; `stylegan_culture.models` finds and loads them."""
