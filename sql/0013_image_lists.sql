-- Images by folder, by path and by when they were posted.

-- Enough of a path to put images into its order; a key over 1024 characters would be too long. Images whose paths begin alike
-- for longer stand in the order of their ids.
ALTER TABLE images
  ADD COLUMN path_start VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin AS (LEFT(path, 255)) VIRTUAL;

-- Everything in a folder is one range of it.
ALTER TABLE images ADD KEY images_path_start (path_start, id);

-- Tells from which id on images were posted after some moment, and few images of a short time.
ALTER TABLE images ADD KEY images_created (created_at, id);
