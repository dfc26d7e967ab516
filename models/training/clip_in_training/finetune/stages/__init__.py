"""CLIP-IN on any backbone: stage 1 distils the rotary text encoder, stage 2 fine-tunes both towers."""
