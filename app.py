"""Open a checkpoint and serve the page: python app.py."""

from facevae.ui.serve import main

if __name__ == "__main__":
    main()
