-- CreateTable
CREATE TABLE "domains" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "names" TEXT NOT NULL,
    "proof" TEXT NOT NULL,
    "isBase" BOOLEAN NOT NULL DEFAULT false,
    "label" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "problemType" TEXT NOT NULL DEFAULT '',
    "problem" TEXT NOT NULL DEFAULT '',
    "problemCure" TEXT NOT NULL DEFAULT '',
    "problemLink" TEXT NOT NULL DEFAULT '',
    "problemAt" DATETIME,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "looks" INTEGER NOT NULL DEFAULT 0,
    "nextAt" DATETIME,
    "isGivenUp" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "certificates" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "names" TEXT NOT NULL,
    "chain" TEXT NOT NULL,
    "keyFile" TEXT NOT NULL,
    "directory" TEXT NOT NULL,
    "notBefore" DATETIME NOT NULL,
    "notAfter" DATETIME NOT NULL,
    "renewsAt" DATETIME NOT NULL,
    "windowStart" DATETIME,
    "windowEnd" DATETIME,
    "askAt" DATETIME NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "acme_orders" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "names" TEXT NOT NULL,
    "directory" TEXT NOT NULL,
    "isRenewal" BOOLEAN NOT NULL,
    "stage" TEXT NOT NULL DEFAULT '',
    "outcome" TEXT NOT NULL DEFAULT '',
    "startedAt" DATETIME NOT NULL,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "acme_accounts" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "directory" TEXT NOT NULL,
    "keyFile" TEXT NOT NULL,
    "url" TEXT NOT NULL DEFAULT '',
    "heldUntil" DATETIME,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "acme_challenges" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "acme_lease" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "holder" TEXT NOT NULL,
    "until" DATETIME NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "domains_name_key" ON "domains"("name");

-- CreateIndex
CREATE UNIQUE INDEX "domains_label_key" ON "domains"("label");

-- CreateIndex
CREATE INDEX "certificates_names_idx" ON "certificates"("names");

-- CreateIndex
CREATE INDEX "acme_orders_names_idx" ON "acme_orders"("names");

-- CreateIndex
CREATE UNIQUE INDEX "acme_accounts_directory_key" ON "acme_accounts"("directory");

-- CreateIndex
CREATE UNIQUE INDEX "acme_challenges_kind_name_token_key" ON "acme_challenges"("kind", "name", "token");
