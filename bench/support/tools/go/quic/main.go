// HTTP/3 over QUIC, for the bench: a server of bytes, and a visitor that downloads them.
//
//	quic serve PORT plain|retry     until it is killed; says "ready"; retry: who visits is first sent a Retry
//	quic fetch ADDRESS BYTES 1|2    says what it took, as JSON, by that version of QUIC
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const deadline = 3 * time.Minute

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3] == "retry")
	} else if len(os.Args) == 5 && os.Args[1] == "fetch" {
		fetch(os.Args[2], os.Args[3], os.Args[4] == "2")
	} else {
		log.Fatal("usage: quic serve PORT plain|retry | fetch ADDRESS BYTES 1|2")
	}
}

func serve(port string, retries bool) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:"+port)
	must(err)
	transport := quic.Transport{Conn: socket, VerifySourceAddress: func(net.Addr) bool { return retries }}
	security := http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate()}})
	listener, err := transport.ListenEarly(security, &quic.Config{Versions: []quic.Version{quic.Version1, quic.Version2}})
	must(err)
	server := http3.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			size, _ := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			_, _ = io.CopyN(w, zeros{}, size)
		}),
	}
	fmt.Println("ready")
	must(server.ServeListener(listener))
}

func fetch(address, size string, isV2 bool) {
	version := quic.Version1
	if isV2 {
		version = quic.Version2
	}
	var connection *quic.Conn
	client := http.Client{Transport: &http3.Transport{
		// Its certificate was made a moment ago by the other end, on this machine.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		Dial: func(ctx context.Context, to string, security *tls.Config, config *quic.Config) (*quic.Conn, error) {
			config.Versions = []quic.Version{version}
			dialled, err := quic.DialAddrEarly(ctx, to, security, config)
			connection = dialled
			return dialled, err
		},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("https://%s/?bytes=%s", address, size), nil)
	must(err)
	began := time.Now()
	response, err := client.Do(request)
	must(err)
	got, err := io.Copy(io.Discard, response.Body)
	must(err)
	seconds := time.Since(began).Seconds()
	stats := connection.ConnectionStats()
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"bytes": got, "seconds": seconds, "sent": stats.BytesSent, "received": stats.BytesReceived,
	}))
}

func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	must(err)
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
