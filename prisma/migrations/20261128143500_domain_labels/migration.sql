-- The label is the name's now, the same for all domains that have the name.
DROP INDEX "domains_label_key";
ALTER TABLE "domains" DROP COLUMN "label";
