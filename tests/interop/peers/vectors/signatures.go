package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"

	"tailscale.com/tka"
	"tailscale.com/types/key"
)

// signatureCase is a node's key and KeySignature, and whether an authority with the keys one and two takes it. "strict" as of updates.
type signatureCase struct {
	Name     string   `json:"name"`
	NodeKey  string   `json:"nodeKey"`
	Bytes    string   `json:"bytes"`
	OK       bool     `json:"ok"`
	Strict   bool     `json:"strict,omitempty"`
	Previous []string `json:"previous,omitempty"` // node keys that it takes the place of
	Wrapping string   `json:"wrapping,omitempty"` // of a rotation that begins with a direct signature
}

func judgeSignature(name string, node byte, serialized []byte) signatureCase {
	authority, err := tka.Bootstrap(tka.ChonkMem(), genesis())
	must(err)
	c := signatureCase{Name: name, NodeKey: hex.EncodeToString(bytes.Repeat([]byte{node}, 32)), Bytes: hex.EncodeToString(serialized)}
	details, err := authority.NodeKeyAuthorizedWithDetails(nodeKey(node), serialized)
	c.OK = err == nil
	if details != nil {
		for _, previous := range details.PrevNodeKeys {
			raw := previous.Raw32()
			c.Previous = append(c.Previous, hex.EncodeToString(raw[:]))
		}
		if details.InitialSig.SigKind == tka.SigDirect {
			c.Wrapping = hex.EncodeToString(details.InitialSig.WrappingPubkey)
		}
	}
	return c
}

func signNode(s tka.NodeKeySignature, by signer) tka.NodeKeySignature {
	hash := s.SigHash()
	s.Signature = ed25519.Sign(by.private, hash[:])
	return s
}

func direct(node byte, by signer, wrapping []byte) tka.NodeKeySignature {
	return signNode(tka.NodeKeySignature{SigKind: tka.SigDirect, Pubkey: nodeBytes(node), KeyID: by.public, WrappingPubkey: wrapping}, by)
}

func credential(by signer, wrapping []byte) tka.NodeKeySignature {
	return signNode(tka.NodeKeySignature{SigKind: tka.SigCredential, KeyID: by.public, WrappingPubkey: wrapping}, by)
}

func rotate(node byte, inner tka.NodeKeySignature, by signer) tka.NodeKeySignature {
	return signNode(tka.NodeKeySignature{SigKind: tka.SigRotation, Pubkey: nodeBytes(node), Nested: &inner}, by)
}

// rotations of nodes of one machine, from the direct signature of node 1 to node n.
func rotated(n byte, machine signer) tka.NodeKeySignature {
	s := direct(1, one, machine.public)
	for node := byte(2); node <= n; node++ {
		s = rotate(node, s, machine)
	}
	return s
}

func signatures() (cases []signatureCase) {
	machine := newSigner(50)
	put := func(name string, node byte, s tka.NodeKeySignature) {
		cases = append(cases, judgeSignature(name, node, s.Serialize()))
	}
	put("direct", 1, direct(1, one, nil))
	put("direct, by the other key", 1, direct(1, two, nil))
	put("direct, with a key for rotations", 1, direct(1, one, machine.public))
	put("direct, of another node", 2, direct(1, one, nil))
	put("direct, by a stranger", 1, direct(1, stranger, nil))
	put("direct, by a stranger in a good key's name", 1, signNode(tka.NodeKeySignature{SigKind: tka.SigDirect, Pubkey: nodeBytes(1), KeyID: one.public}, stranger))
	put("direct, without a key id", 1, signNode(tka.NodeKeySignature{SigKind: tka.SigDirect, Pubkey: nodeBytes(1)}, one))
	put("direct, without a signature", 1, tka.NodeKeySignature{SigKind: tka.SigDirect, Pubkey: nodeBytes(1), KeyID: one.public})
	put("direct, with a short signature", 1, func() tka.NodeKeySignature { s := direct(1, one, nil); s.Signature = s.Signature[:63]; return s }())
	put("direct, without a node key", 1, signNode(tka.NodeKeySignature{SigKind: tka.SigDirect, KeyID: one.public}, one))
	inner := direct(1, one, nil)
	put("direct, with another inside", 1, signNode(tka.NodeKeySignature{SigKind: tka.SigDirect, Pubkey: nodeBytes(1), KeyID: one.public, Nested: &inner}, one))
	put("a rotation", 2, rotate(2, direct(1, one, machine.public), machine))
	put("a rotation, of the key before it", 1, rotate(2, direct(1, one, machine.public), machine))
	put("a rotation by another machine", 2, rotate(2, direct(1, one, machine.public), stranger))
	put("a rotation without a key for it", 2, rotate(2, direct(1, one, nil), machine))
	put("a rotation around a forgery", 2, rotate(2, direct(1, stranger, machine.public), machine))
	put("a rotation around a wrong signature", 2, func() tka.NodeKeySignature {
		s := direct(1, one, machine.public)
		s.Signature[0] ^= 1
		return rotate(2, s, machine)
	}())
	put("a rotation of nothing", 2, signNode(tka.NodeKeySignature{SigKind: tka.SigRotation, Pubkey: nodeBytes(2)}, machine))
	put("a rotation with a key id of its own", 2, func() tka.NodeKeySignature {
		inner := direct(1, one, machine.public)
		return signNode(tka.NodeKeySignature{SigKind: tka.SigRotation, Pubkey: nodeBytes(2), KeyID: stranger.public, Nested: &inner}, machine)
	}())
	other := newSigner(51)
	put("a rotation that names another key for the next", 3, func() tka.NodeKeySignature {
		inner := direct(1, one, machine.public)
		middle := signNode(tka.NodeKeySignature{SigKind: tka.SigRotation, Pubkey: nodeBytes(2), Nested: &inner, WrappingPubkey: other.public}, machine)
		return rotate(3, middle, other)
	}())
	put("a rotation by the first key where another was named", 3, func() tka.NodeKeySignature {
		inner := direct(1, one, machine.public)
		middle := signNode(tka.NodeKeySignature{SigKind: tka.SigRotation, Pubkey: nodeBytes(2), Nested: &inner, WrappingPubkey: other.public}, machine)
		return rotate(3, middle, machine)
	}())
	put("a rotation with a key of 31 bytes for it", 2, rotate(2, direct(1, one, machine.public[:31]), machine))
	put("a rotation around a key that is none", 2, func() tka.NodeKeySignature {
		inner := signNode(tka.NodeKeySignature{SigKind: tka.SigDirect, Pubkey: []byte("xx"), KeyID: one.public, WrappingPubkey: machine.public}, one)
		return rotate(2, inner, machine)
	}())
	for _, n := range []byte{3, 8, 15, 16, 17, 20} {
		put("rotations: the node's key number "+itoa(uint(n)), n, rotated(n, machine))
	}
	put("direct, of a second node", 60, direct(60, one, nil))
	put("direct, of a third node, by the other key", 61, direct(61, two, nil))
	put("a rotation of a fourth node", 71, rotate(71, direct(70, one, machine.public), machine))
	put("a credential", 1, credential(one, machine.public))
	put("a credential inside a rotation", 1, rotate(1, credential(one, machine.public), machine))
	put("a credential by a stranger inside a rotation", 1, rotate(1, credential(stranger, machine.public), machine))
	put("a credential inside a rotation by another key", 1, rotate(1, credential(one, machine.public), stranger))
	put("a credential inside two rotations", 2, rotate(2, rotate(1, credential(one, machine.public), machine), machine))
	put("of an unknown kind", 1, signNode(tka.NodeKeySignature{SigKind: 9, Pubkey: nodeBytes(1), KeyID: one.public}, one))
	put("of an unknown kind inside a rotation", 2, rotate(2, signNode(tka.NodeKeySignature{SigKind: 9, Pubkey: nodeBytes(1), KeyID: one.public, WrappingPubkey: machine.public}, one), machine))
	cases = append(cases, wrapped(), resigned())
	return append(cases, malformedSignatures(direct(1, one, machine.public))...)
}

// wrapped is what a node makes of a wrapped auth key.
func wrapped() signatureCase {
	machine := newSigner(52)
	c := credential(two, machine.public)
	serialized, err := tka.SignByCredential(machine.private, &c, nodeKey(1))
	must(err)
	return judgeSignature("made from a wrapped auth key", 1, serialized)
}

// resigned is what a node makes of its signature when its key is another one, 40 times over: the official client cuts the chain then.
func resigned() signatureCase {
	var private key.NLPrivate
	must(private.UnmarshalText([]byte("nlpriv:" + hex.EncodeToString(newSigner(53).private))))
	serialized := func() []byte { s := direct(1, one, newSigner(53).public); return s.Serialize() }()
	for node := byte(2); node <= 40; node++ {
		next, err := tka.ResignNKS(private, nodeKey(node), serialized)
		must(err)
		serialized = next
	}
	return judgeSignature("signed again 39 times", 40, serialized)
}

func malformedSignatures(good tka.NodeKeySignature) (cases []signatureCase) {
	serialized := good.Serialize()
	put := func(name string, b []byte, strict bool) {
		c := judgeSignature(name, 1, b)
		c.Strict = strict
		cases = append(cases, c)
	}
	for _, n := range []int{0, 1, 2, 40, len(serialized) / 2, len(serialized) - 1} {
		put("cut after "+itoa(uint(n))+" bytes", serialized[:n], false)
	}
	put("with a byte more", append(bytes.Clone(serialized), 0xf6), false)
	put("null", []byte{0xf6}, false)
	put("the length of the map in two bytes", append([]byte{0xb8, serialized[0] & 31}, serialized[1:]...), true)
	put("the kind in two bytes", append([]byte{serialized[0], 1, 0x18, 1}, serialized[3:]...), true)
	put("a member that nobody knows", append(append([]byte{serialized[0] + 1}, serialized[1:]...), 7, 1), true)
	put("a member twice", append(append([]byte{serialized[0] + 1}, serialized[1:3]...), serialized[1:]...), false)
	put("a map without a length", append(append([]byte{0xbf}, serialized[1:]...), 0xff), false)
	put("signatures in signatures, 1,000 deep", append(bytes.Repeat([]byte{0xa2, 1, 2, 5}, 1000), 0xf6), false)
	put("a length of 4 GB", []byte{0xa2, 1, 1, 2, 0x5a, 0xff, 0xff, 0xff, 0xff, 0}, false)
	return cases
}

// rotationCase is a netmap of nodes with good signatures: which of them the official client drops (ipn/ipnlocal, rotationTracker, which is not exported: the
// cases are those of its test and of its comments, the verdicts ours by its rules).
type rotationCase struct {
	Name     string   `json:"name"`
	Nodes    []node   `json:"nodes"`
	Obsolete []string `json:"obsolete"`
}

type node struct {
	NodeKey string `json:"nodeKey"`
	Bytes   string `json:"bytes"`
}

func rotations() []rotationCase {
	machine, other := newSigner(50), newSigner(51)
	n := func(k byte, s tka.NodeKeySignature) node {
		return node{hex.EncodeToString(bytes.Repeat([]byte{k}, 32)), hex.EncodeToString(s.Serialize())}
	}
	k := func(numbers ...byte) (keys []string) {
		keys = []string{}
		for _, number := range numbers {
			keys = append(keys, hex.EncodeToString(bytes.Repeat([]byte{number}, 32)))
		}
		return keys
	}
	from := direct(1, one, machine.public)
	shared := credential(one, machine.public)
	return []rotationCase{
		{"a node after its rotation", []node{n(2, rotate(2, from, machine))}, k()},
		{"a node and its key before", []node{n(1, from), n(2, rotate(2, from, machine))}, k(1)},
		{"three keys of one node", []node{n(3, rotated(3, machine)), n(1, from), n(2, rotated(2, machine))}, k(1, 2)},
		{"a copy that rotated to another key", []node{n(2, rotate(2, from, machine)), n(9, rotate(9, from, machine))}, k(2, 9)},
		{"a copy that is a rotation behind", []node{n(3, rotated(3, machine)), n(9, rotate(9, from, machine))}, k(9)},
		{"nodes of one auth key", []node{n(1, rotate(1, shared, machine)), n(2, rotate(2, shared, machine))}, k()},
		{"nodes of one auth key, one of them rotated", []node{n(1, rotate(1, shared, machine)), n(3, rotate(3, rotate(1, shared, machine), machine))}, k(1)},
		{"two nodes", []node{n(2, rotated(2, machine)), n(7, rotate(7, direct(6, two, other.public), other))}, k()},
	}
}
