"""The HTTP gateway: what programs written for Cloudinary's upload and admin APIs talk to."""
