// WireGuard in user space, for the bench: a peer that serves bytes over HTTP inside of the WireGuard tunnel, and one that
// downloads them.
//
//	wireguard serve PORT             until it is killed; says "ready"
//	wireguard fetch ADDRESS BYTES    says what it took, as JSON
package main

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/netstack"
)

const (
	// What wg-quick chooses for a path of 1,500 bytes.
	mtu      = 1420
	deadline = 3 * time.Minute
)

var (
	serverAddress = netip.MustParseAddr("10.7.0.1")
	clientAddress = netip.MustParseAddr("10.7.0.2")
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		serve(os.Args[2])
	} else if len(os.Args) == 4 && os.Args[1] == "fetch" {
		fetch(os.Args[2], os.Args[3])
	} else {
		log.Fatal("usage: wireguard serve PORT | fetch ADDRESS BYTES")
	}
}

func serve(port string) {
	_, inside := open("server", serverAddress, fmt.Sprintf("listen_port=%s\n%s", port, peer("client", clientAddress)))
	listener, err := inside.ListenTCP(&net.TCPAddr{Port: 80})
	must(err)
	fmt.Println("ready")
	must(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		_, _ = io.CopyN(w, zeros{}, size)
	})))
}

func fetch(address, size string) {
	wireguard, inside := open("client", clientAddress, peer("server", serverAddress)+"endpoint="+address+"\n")
	client := http.Client{Transport: &http.Transport{DialContext: inside.DialContext, DisableCompression: true}}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/?bytes=%s", serverAddress, size), nil)
	must(err)
	began := time.Now()
	response, err := client.Do(request)
	must(err)
	got, err := io.Copy(io.Discard, response.Body)
	must(err)
	seconds := time.Since(began).Seconds()
	said, err := wireguard.IpcGet()
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"bytes": got, "seconds": seconds, "sent": figure(said, "tx_bytes"), "received": figure(said, "rx_bytes"),
	}))
}

// open brings up the WireGuard device of one end.
func open(name string, address netip.Addr, config string) (*device.Device, *netstack.Net) {
	tun, inside, err := netstack.CreateNetTUN([]netip.Addr{address}, nil, mtu)
	must(err)
	wireguard := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, name+": "))
	must(wireguard.IpcSet("private_key=" + hex.EncodeToString(key(name).Bytes()) + "\n" + config))
	must(wireguard.Up())
	return wireguard, inside
}

func peer(name string, address netip.Addr) string {
	return fmt.Sprintf("public_key=%x\nallowed_ip=%s/32\n", key(name).PublicKey().Bytes(), address)
}

// key is no secret: both ends are this program, on this machine, for a minute.
func key(name string) *ecdh.PrivateKey {
	seed := sha256.Sum256([]byte("pbt bench " + name))
	private, err := ecdh.X25519().NewPrivateKey(seed[:])
	must(err)
	return private
}

// figure reads one of the peer's counters: bytes of UDP payload.
func figure(said, name string) int64 {
	for lines := bufio.NewScanner(strings.NewReader(said)); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+"="); found {
			number, _ := strconv.ParseInt(value, 10, 64)
			return number
		}
	}
	return 0
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
