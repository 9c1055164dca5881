-- Schema version 2: what tells that a name was altered, or that a folder's newest file is gone.

-- A checksum of the source's name, the epoch and the hub; null: from before there was one.
ALTER TABLE stream ADD COLUMN crc INTEGER;

-- The file of the same folder that goes on with this one; null: there is none yet.
ALTER TABLE position ADD COLUMN next TEXT;
