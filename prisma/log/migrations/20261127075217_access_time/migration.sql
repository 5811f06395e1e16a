-- CreateIndex
CREATE INDEX "access_batches_since_idx" ON "access_batches"("since");
