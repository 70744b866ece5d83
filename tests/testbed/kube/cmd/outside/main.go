// The world outside the cluster, for tests: run in the network namespace that
// owns its addresses.
//
//	httpbin.org       203.0.113.10     go-httpbin on 80 and 443
//	en.wikipedia.org  198.51.100.26-27 443 serves /wiki/Main_Page, 80 redirects to it
//	api.pay.example   203.0.113.20     443 refuses a wrong or missing SNI, echoes as JSON
//	mtls.pay.example  203.0.113.21     the same, for clients with a certificate of the outside's CA
//	expired.example   203.0.113.22     443 with a certificate of yesterday
//	untrusted.example 203.0.113.23     443 with a certificate of a CA that nobody knows
//	db.example        203.0.113.24     5432 says "ready" and echoes bytes
//	shop.example      203.0.113.25     80 and 443 answer 404 to any other Host
//	secure.example    203.0.113.26     443 redirects to itself what X-Forwarded-Proto says came by http
//	lean.example      203.0.113.27     80 answers 431 to a request with a header of Envoy's
//	h1.example        203.0.113.28     443 speaks HTTP/1.1 alone, and says so in ALPN
//	mute.example      203.0.113.29     80 accepts connections, reads, and says nothing
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: outside PKI_FOLDER")
	}
	pki := os.Args[1]
	bin := httpbin.New()
	go plain("203.0.113.10", bin)
	go secure("203.0.113.10", bin, certificate(pki, "httpbin.org"))
	for _, ip := range []string{"198.51.100.26", "198.51.100.27"} {
		go plain(ip, http.HandlerFunc(toHTTPS))
		go secure(ip, http.HandlerFunc(wikipedia), certificate(pki, "wikipedia"))
	}
	echo := http.HandlerFunc(pay)
	go secure("203.0.113.20", echo, strict(certificate(pki, "api.pay.example"), "api.pay.example"))
	go secure("203.0.113.21", echo, mutual(pki, strict(certificate(pki, "mtls.pay.example"), "mtls.pay.example")))
	known := certificate(pki, "ca").Certificates[0]
	go secure("203.0.113.22", echo, issued(&known, "expired.example", time.Now().AddDate(0, 0, -1)))
	go secure("203.0.113.23", echo, issued(nil, "untrusted.example", time.Now().AddDate(10, 0, 0)))
	shop := onlyHost("shop.example", bin)
	go plain("203.0.113.25", shop)
	go secure("203.0.113.25", shop, issued(&known, "shop.example", time.Now().AddDate(10, 0, 0)))
	go secure("203.0.113.26", trusting(bin), issued(&known, "secure.example", time.Now().AddDate(10, 0, 0)))
	go plain("203.0.113.27", lean(bin))
	go http1("203.0.113.28", bin, issued(&known, "h1.example", time.Now().AddDate(10, 0, 0)))
	go bytes("203.0.113.29:80", "")
	bytes("203.0.113.24:5432", "ready\n")
}

func certificate(pki, name string) *tls.Config {
	c, err := tls.LoadX509KeyPair(filepath.Join(pki, name+".crt"), filepath.Join(pki, name+".key"))
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{c}}
}

// issued makes a certificate in memory, valid until the given time; without an
// issuer it signs itself.
func issued(issuer *tls.Certificate, name string, until time.Time) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotBefore:    until.AddDate(-11, 0, 0),
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parent, signer := template, any(key)
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// strict answers any other server name with the TLS alert unrecognized_name,
// which is what crypto/tls sends when it is given no certificate at all.
func strict(c *tls.Config, name string) *tls.Config {
	return &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == name {
			return &c.Certificates[0], nil
		}
		return nil, nil
	}}
}

// mutual asks each client for a certificate of the outside's CA.
func mutual(pki string, c *tls.Config) *tls.Config {
	pem, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		log.Fatal(err)
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	c.ClientCAs.AppendCertsFromPEM(pem)
	return c
}

func plain(ip string, h http.Handler) {
	log.Fatal(http.ListenAndServe(net.JoinHostPort(ip, "80"), served(h)))
}

func secure(ip string, h http.Handler, c *tls.Config) {
	s := &http.Server{Addr: net.JoinHostPort(ip, "443"), Handler: served(h), TLSConfig: c}
	log.Fatal(s.ListenAndServeTLS("", ""))
}

// http1 serves TLS without HTTP/2: an empty TLSNextProto takes it out of ALPN.
func http1(ip string, h http.Handler, c *tls.Config) {
	s := &http.Server{Addr: net.JoinHostPort(ip, "443"), Handler: served(h), TLSConfig: c,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	log.Fatal(s.ListenAndServeTLS("", ""))
}

// bytes greets each client, if there is a greeting, and echoes what comes then; without one it only reads.
func bytes(address, greeting string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer c.Close()
			if greeting == "" {
				io.Copy(io.Discard, c) //nolint:errcheck
				return
			}
			fmt.Fprint(c, greeting)
			io.Copy(c, c) //nolint:errcheck
		}()
	}
}

// served names the address that answered, so that a test can tell which of
// several it reached.
func served(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
		h.ServeHTTP(w, r)
	})
}

// onlyHost knows one virtual host.
func onlyHost(name string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := strings.Cut(r.Host, ":"); host != name {
			http.Error(w, "no such site: "+r.Host, http.StatusNotFound)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// trusting believes X-Forwarded-Proto, as an application behind a load balancer does, and wants https.
func trusting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Forwarded-Proto") == "http" {
			toHTTPS(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// lean has a short limit on headers, and Envoy's are over it.
func lean(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Envoy-") || name == "X-Request-Id" {
				http.Error(w, "too many headers", http.StatusRequestHeaderFieldsTooLarge)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

func toHTTPS(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusMovedPermanently)
}

func wikipedia(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		http.Redirect(w, r, "/wiki/Main_Page", http.StatusMovedPermanently)
	case "/wiki/Main_Page":
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		fmt.Fprint(w, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"UTF-8\">\n"+
			"<title>Wikipedia, the free encyclopedia</title>\n</head>\n<body></body>\n</html>\n")
	default:
		http.NotFound(w, r)
	}
}

func pay(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{
		"method": r.Method, "url": "https://" + r.Host + r.URL.String(), "headers": r.Header,
		"sni": r.TLS.ServerName, "client": r.RemoteAddr,
	}
	if client := r.TLS.PeerCertificates; len(client) > 0 {
		answer["client_certificate"] = client[0].Subject.CommonName
	}
	json.NewEncoder(w).Encode(answer) //nolint:errcheck
}
