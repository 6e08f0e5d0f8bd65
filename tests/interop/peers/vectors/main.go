// Program vectors writes tests/vectors/lock.json: what the official package tka makes of updates of a key authority and of signatures of node keys. Run it in
// tests/interop/peers:
//
//	go run ./vectors > ../../vectors/lock.json
//
// Everything follows from fixed seeds: another run writes the same bytes, as long as the version in go.mod is the same.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"

	"tailscale.com/tka"
	"tailscale.com/types/key"
	"tailscale.com/types/tkatype"
	"tailscale.com/version"
)

// signer is a trusted key with its private half.
type signer struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
}

func newSigner(seed byte) signer {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return signer{private, private.Public().(ed25519.PublicKey)}
}

func (s signer) key(votes uint) tka.Key {
	return tka.Key{Kind: tka.Key25519, Public: s.public, Votes: votes}
}

// SignAUM is tka.Signer.
func (s signer) SignAUM(hash tkatype.AUMSigHash) ([]tkatype.Signature, error) {
	return []tkatype.Signature{{KeyID: tkatype.KeyID(s.public), Signature: ed25519.Sign(s.private, hash[:])}}, nil
}

// sign adds signatures to an update.
func sign(a tka.AUM, signers ...signer) tka.AUM {
	hash := a.SigHash()
	for _, s := range signers {
		signatures, _ := s.SignAUM(hash)
		a.Signatures = append(a.Signatures, signatures...)
	}
	return a
}

// nodeKey is a node's public key that follows from a seed.
func nodeKey(seed byte) key.NodePublic {
	var public key.NodePublic
	must(public.UnmarshalText([]byte("nodekey:" + hex.EncodeToString(bytes.Repeat([]byte{seed}, 32)))))
	return public
}

func nodeBytes(seed byte) []byte { return append([]byte("np"), bytes.Repeat([]byte{seed}, 32)...) }

type file struct {
	Made        string          `json:"made"`
	Texts       []textCase      `json:"texts"`
	Updates     []updateCase    `json:"updates"`
	Chains      []chainCase     `json:"chains"`
	Signatures  []signatureCase `json:"signatures"`
	Rotations   []rotationCase  `json:"rotations"`
	Keys        []string        `json:"keys"` // trusted in signatures
	Disablement []secretCase    `json:"disablement"`
}

func main() {
	out := file{
		Made:        "tailscale.com/tka " + version.Short() + ", by tests/interop/peers/vectors: go run ./vectors > ../../vectors/lock.json",
		Texts:       texts(),
		Updates:     updates(),
		Chains:      chains(),
		Signatures:  signatures(),
		Rotations:   rotations(),
		Keys:        []string{hex.EncodeToString(one.public), hex.EncodeToString(two.public)},
		Disablement: secrets(),
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "\t")
	must(encoder.Encode(out))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

var one, two, three, stranger = newSigner(1), newSigner(2), newSigner(3), newSigner(99)

// textCase is a hash as it stands in JSON.
type textCase struct {
	Hash string `json:"hash"`
	Text string `json:"text"`
}

func texts() (cases []textCase) {
	for _, fill := range []byte{0, 1, 0x5a, 0xff} {
		var hash tka.AUMHash
		for i := range hash {
			hash[i] = fill + byte(i)
		}
		cases = append(cases, textCase{hex.EncodeToString(hash[:]), hash.String()})
	}
	return cases
}

// secretCase is a disablement secret and what an authority keeps of it.
type secretCase struct {
	Secret string `json:"secret"`
	Value  string `json:"value"`
}

func secrets() (cases []secretCase) {
	for _, secret := range [][]byte{disablementSecret, {}, bytes.Repeat([]byte{7}, 64)} {
		cases = append(cases, secretCase{hex.EncodeToString(secret), hex.EncodeToString(tka.DisablementKDF(secret))})
	}
	return cases
}
