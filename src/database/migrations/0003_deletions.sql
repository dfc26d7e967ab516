-- `deleted` of an image is negative from the decision to delete it until its file is gone, so that a deletion that was
-- interrupted is ended later.
CREATE INDEX images_going ON inspection_images (inspection) WHERE deleted < 0;
