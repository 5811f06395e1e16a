-- A list was kept for a tunnel and belongs to an address from now on: each address of the tunnel gets a copy. The list of a
-- tunnel that has no address any more judged nobody, and goes.
CREATE TABLE "new_allowlists" (
    "address" TEXT NOT NULL PRIMARY KEY,
    "entries" TEXT NOT NULL,
    "changedAt" DATETIME NOT NULL
);
INSERT INTO "new_allowlists" ("address", "entries", "changedAt")
SELECT "subdomains"."label", "allowlists"."entries", "allowlists"."changedAt"
FROM "allowlists" JOIN "subdomains" USING ("tunnelId")
UNION ALL
SELECT "ports"."protocol" || ':' || "ports"."number", "allowlists"."entries", "allowlists"."changedAt"
FROM "allowlists" JOIN "ports" USING ("tunnelId");
DROP TABLE "allowlists";
ALTER TABLE "new_allowlists" RENAME TO "allowlists";
