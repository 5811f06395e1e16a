-- DropIndex
DROP INDEX "access_tunnel_id_idx";

-- CreateIndex
CREATE INDEX "access_tunnel_idx" ON "access"("tunnel");
