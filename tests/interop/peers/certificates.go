package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// authority is a certificate authority of our own. Nodes get it as a file.
type authority struct {
	file        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// loadAuthority reads the authority of this folder, or makes it: programs that share a folder share the authority.
func loadAuthority(certificateFile, keyFile string) (*authority, error) {
	if text, err := os.ReadFile(certificateFile); err == nil {
		keyText, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, err
		}
		certificateBlock, _ := pem.Decode(text)
		keyBlock, _ := pem.Decode(keyText)
		if certificateBlock == nil || keyBlock == nil {
			return nil, errors.New("not PEM")
		}
		certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
		if err != nil {
			return nil, err
		}
		key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
		if err != nil {
			return nil, err
		}
		return &authority{certificateFile, certificate, key}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	a, err := newAuthority("Interop CA")
	if err != nil {
		return nil, err
	}
	a.file = certificateFile
	key, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return nil, err
	}
	return a, os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}), 0o644)
}

// writeCertificate issues a certificate of kind for host and writes chain and key as PEM, for servers that are programs of their own.
func (a *authority) writeCertificate(kind, host, certificateFile, keyFile string) error {
	issued, err := a.issue(kind, host)
	if err != nil {
		return err
	}
	var chain []byte
	for _, der := range issued.certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := x509.MarshalECPrivateKey(issued.certificate.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(certificateFile, chain, 0o644)
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := authorityTemplate(name)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate: certificate, key: key}, err
}

// intermediate is an authority that a signed.
func (a *authority) intermediate() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, authorityTemplate("Interop intermediate"), a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate: certificate, key: key}, err
}

func authorityTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(365 * 24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	return n
}

// issued is a server certificate with its chain, and the CertName that a DERP map needs for it ("" for none).
type issued struct {
	certificate tls.Certificate
	certName    string
}

// issue makes the certificate of a server at host (name or address). Kinds that a client must accept: "ca", "intermediate",
// "hash" (self-signed, pinned by CertName sha256-raw) and "cert-name" (another name, given as CertName). Kinds that it must
// refuse: "expired", "not-yet-valid", "wrong-name", "unknown-ca", "self-signed", "self-signed-then-intermediate",
// "hash-wrong" and "hash-expired".
func (a *authority) issue(kind, host string) (*issued, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: host},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(90 * 24 * time.Hour),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	setName := func(name string) {
		template.DNSNames, template.IPAddresses = nil, nil
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = []net.IP{ip}
		} else {
			template.DNSNames = []string{name}
		}
	}
	setName(host)

	signer, chain, selfSigned, certName := a, [][]byte(nil), false, ""
	switch kind {
	case "", "ca":
	case "expired", "hash-expired":
		template.NotBefore, template.NotAfter = now.Add(-48*time.Hour), now.Add(-24*time.Hour)
		selfSigned = kind == "hash-expired"
	case "not-yet-valid":
		template.NotBefore = now.Add(24 * time.Hour)
	case "wrong-name":
		setName("another.test")
	case "cert-name":
		setName("pinned-name.test")
		certName = "pinned-name.test"
	case "unknown-ca":
		other, err := newAuthority("Unknown CA")
		if err != nil {
			return nil, err
		}
		signer = other
	case "intermediate", "self-signed-then-intermediate":
		middle, err := a.intermediate()
		if err != nil {
			return nil, err
		}
		chain = [][]byte{middle.certificate.Raw}
		signer, selfSigned = middle, kind != "intermediate"
	case "self-signed", "hash", "hash-wrong":
		selfSigned = true
	default:
		return nil, fmt.Errorf("no certificate kind %q", kind)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signingKey := signer.certificate, signer.key
	if selfSigned {
		parent, signingKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signingKey)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(der)
	switch kind {
	case "hash", "hash-expired":
		certName = "sha256-raw:" + hex.EncodeToString(hash[:])
	case "hash-wrong":
		hash[0] ^= 1
		certName = "sha256-raw:" + hex.EncodeToString(hash[:])
	}
	return &issued{tls.Certificate{Certificate: append([][]byte{der}, chain...), PrivateKey: key}, certName}, nil
}
