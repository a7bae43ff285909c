-- Finding images by words of their path and by people's names. The version before goes on adding images without prefixes:
-- the receiver's sweeper finds them by path_indexed = 0.

-- Which blocks of 64 consecutive image ids hold a path with a word that starts so. Whole words, and what people have typed of
-- a word so far, are found by one range of the primary key, newest block first; neighbours in a folder share their rows.
CREATE TABLE IF NOT EXISTS image_prefixes (
  -- 1, 2, 3, 4, 6 or 8 characters, folded by lib/search-words.ts.
  prefix VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  -- FLOOR(images.id / 64).
  block INT UNSIGNED NOT NULL,
  PRIMARY KEY (prefix, block)
) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

ALTER TABLE images
  -- 1: the words of its path are in image_prefixes.
  ADD COLUMN path_indexed TINYINT UNSIGNED NOT NULL DEFAULT 0,
  ADD KEY images_path_indexed (path_indexed, id);

-- A name from its first, second, third and last word on, whatever writes it: each is found by how it starts.
ALTER TABLE person
  ADD COLUMN name_words VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
    AS (REPLACE(REPLACE(REPLACE(name, '_', ' '), '-', ' '), '.', ' ')) VIRTUAL,
  ADD COLUMN name_from_second VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
    AS (SUBSTRING(name_words, CHAR_LENGTH(SUBSTRING_INDEX(name_words, ' ', 1)) + 2)) VIRTUAL,
  ADD COLUMN name_from_third VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
    AS (SUBSTRING(name_words, CHAR_LENGTH(SUBSTRING_INDEX(name_words, ' ', 2)) + 2)) VIRTUAL,
  ADD COLUMN name_last VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
    AS (SUBSTRING_INDEX(name_words, ' ', -1)) VIRTUAL,
  ADD KEY person_name_words (name_words),
  ADD KEY person_name_from_second (name_from_second),
  ADD KEY person_name_from_third (name_from_third),
  ADD KEY person_name_last (name_last);
