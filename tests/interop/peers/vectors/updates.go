package main

import (
	"bytes"
	"encoding/hex"

	"github.com/fxamacker/cbor/v2"
	"tailscale.com/tka"
	"tailscale.com/types/tkatype"
)

var disablementSecret = bytes.Repeat([]byte{0xd5}, 32)

// genesisState trusts the keys one (2 votes) and two (1 vote).
func genesisState() tka.State {
	return tka.State{
		Keys:              []tka.Key{one.key(2), two.key(1)},
		DisablementValues: [][]byte{tka.DisablementKDF(disablementSecret)},
		StateID1:          0x0123456789abcdef,
		StateID2:          1,
	}
}

func genesis() tka.AUM {
	state := genesisState()
	return sign(tka.AUM{MessageKind: tka.AUMCheckpoint, State: &state}, one)
}

// updateCase is an update that is offered to an authority that has nothing but its genesis: whether it is taken, and the head after it. Of one that is not
// canonical CBOR the official decoder may think otherwise than ours, which never takes it: "strict".
type updateCase struct {
	Name   string   `json:"name"`
	Bytes  string   `json:"bytes"`
	OK     bool     `json:"ok"`
	Strict bool     `json:"strict,omitempty"`
	Head   string   `json:"head,omitempty"`
	Keys   []string `json:"keys,omitempty"` // trusted after it, "key votes"
}

func keysOf(a *tka.Authority) (keys []string) {
	for _, k := range a.Keys() {
		keys = append(keys, hex.EncodeToString(k.Public)+" "+itoa(k.Votes))
	}
	return keys
}

// judge tells what a fresh authority makes of an update.
func judge(name string, serialized []byte) updateCase {
	chonk := tka.ChonkMem()
	authority, err := tka.Bootstrap(chonk, genesis())
	must(err)
	c := updateCase{Name: name, Bytes: hex.EncodeToString(serialized)}
	var update tka.AUM
	if update.Unserialize(serialized) == nil && authority.Inform(chonk, []tka.AUM{update}) == nil {
		c.OK = true
		c.Head = authority.Head().String()
		c.Keys = keysOf(authority)
	}
	return c
}

func updates() (cases []updateCase) {
	first := genesis()
	parent := first.Hash()
	base := func(kind tka.AUMKind) tka.AUM { return tka.AUM{MessageKind: kind, PrevAUMHash: parent[:]} }
	with := func(kind tka.AUMKind, change func(*tka.AUM)) tka.AUM {
		a := base(kind)
		change(&a)
		return a
	}
	votes := func(n uint) *uint { return &n }
	state := func(change func(*tka.State)) tka.AUM {
		s := genesisState()
		change(&s)
		return with(tka.AUMCheckpoint, func(a *tka.AUM) { a.State = &s })
	}
	meta := func(k tka.Key, m map[string]string) tka.Key { k.Meta = m; return k }
	add := with(tka.AUMAddKey, func(a *tka.AUM) { k := three.key(3); a.Key = &k })
	long := map[string]string{"name": string(bytes.Repeat([]byte{'x'}, 509))}

	for _, c := range []struct {
		name    string
		update  tka.AUM
		signers []signer
	}{
		{"adds a key", add, []signer{one}},
		{"adds a key, signed twice", add, []signer{one, two}},
		{"adds a key, signed by the same key twice", add, []signer{one, one}},
		{"adds a key with a name", with(tka.AUMAddKey, func(a *tka.AUM) {
			k := meta(three.key(1), map[string]string{"name": "third", "b": "", "aa": "ü"})
			a.Key = &k
		}), []signer{two}},
		{"adds a key with 512 bytes of meta", with(tka.AUMAddKey, func(a *tka.AUM) {
			k := meta(three.key(1), map[string]string{"name": string(bytes.Repeat([]byte{'x'}, 508))})
			a.Key = &k
		}), []signer{two}},
		{"adds a key with too much meta", with(tka.AUMAddKey, func(a *tka.AUM) { k := meta(three.key(1), long); a.Key = &k }), []signer{two}},
		{"adds a key that is there", with(tka.AUMAddKey, func(a *tka.AUM) { k := two.key(3); a.Key = &k }), []signer{one}},
		{"adds a key without votes", with(tka.AUMAddKey, func(a *tka.AUM) { k := three.key(0); a.Key = &k }), []signer{one}},
		{"adds a key with 4096 votes", with(tka.AUMAddKey, func(a *tka.AUM) { k := three.key(4096); a.Key = &k }), []signer{one}},
		{"adds a key with 4097 votes", with(tka.AUMAddKey, func(a *tka.AUM) { k := three.key(4097); a.Key = &k }), []signer{one}},
		{"adds a key of an unknown kind", with(tka.AUMAddKey, func(a *tka.AUM) { k := three.key(1); k.Kind = 2; a.Key = &k }), []signer{one}},
		{"adds a key of 31 bytes", with(tka.AUMAddKey, func(a *tka.AUM) { k := three.key(1); k.Public = k.Public[:31]; a.Key = &k }), []signer{one}},
		{"adds no key", base(tka.AUMAddKey), []signer{one}},
		{"adds a key and names one", with(tka.AUMAddKey, func(a *tka.AUM) { k := three.key(1); a.Key, a.KeyID = &k, tkatype.KeyID(two.public) }), []signer{one}},
		{"adds a key, not signed", add, nil},
		{"adds a key, signed by a stranger", add, []signer{stranger}},
		{"adds a key, signed by a stranger as well", add, []signer{one, stranger}},
		{"removes a key", with(tka.AUMRemoveKey, func(a *tka.AUM) { a.KeyID = tkatype.KeyID(two.public) }), []signer{one}},
		{"removes the key that signs it", with(tka.AUMRemoveKey, func(a *tka.AUM) { a.KeyID = tkatype.KeyID(one.public) }), []signer{one}},
		{"removes a key that is not there", with(tka.AUMRemoveKey, func(a *tka.AUM) { a.KeyID = tkatype.KeyID(three.public) }), []signer{one}},
		{"removes nothing", base(tka.AUMRemoveKey), []signer{one}},
		{"changes votes", with(tka.AUMUpdateKey, func(a *tka.AUM) { a.KeyID, a.Votes = tkatype.KeyID(two.public), votes(7) }), []signer{one}},
		{"changes votes to none", with(tka.AUMUpdateKey, func(a *tka.AUM) { a.KeyID, a.Votes = tkatype.KeyID(two.public), votes(0) }), []signer{one}},
		{"changes votes to too many", with(tka.AUMUpdateKey, func(a *tka.AUM) { a.KeyID, a.Votes = tkatype.KeyID(two.public), votes(4097) }), []signer{one}},
		{"changes votes of a stranger", with(tka.AUMUpdateKey, func(a *tka.AUM) { a.KeyID, a.Votes = tkatype.KeyID(three.public), votes(1) }), []signer{one}},
		{"changes a name", with(tka.AUMUpdateKey, func(a *tka.AUM) {
			a.KeyID, a.Meta = tkatype.KeyID(two.public), map[string]string{"name": "second"}
		}), []signer{one}},
		{"changes a name to one that is too long", with(tka.AUMUpdateKey, func(a *tka.AUM) { a.KeyID, a.Meta = tkatype.KeyID(two.public), long }), []signer{one}},
		{"changes nothing of a key", with(tka.AUMUpdateKey, func(a *tka.AUM) { a.KeyID = tkatype.KeyID(two.public) }), []signer{one}},
		{"a checkpoint", state(func(s *tka.State) { s.Keys = append(s.Keys, three.key(1)) }), []signer{one}},
		{"a checkpoint that trusts others", state(func(s *tka.State) { s.Keys = []tka.Key{three.key(1)} }), []signer{one}},
		{"a checkpoint of another authority", state(func(s *tka.State) { s.StateID1++ }), []signer{one}},
		{"a checkpoint of an authority with a shorter number", state(func(s *tka.State) { s.StateID2 = 0 }), []signer{one}},
		{"a checkpoint without keys", state(func(s *tka.State) { s.Keys = nil }), []signer{one}},
		{"a checkpoint with the same key twice", state(func(s *tka.State) { s.Keys = []tka.Key{one.key(1), one.key(2)} }), []signer{one}},
		{"a checkpoint without disablement values", state(func(s *tka.State) { s.DisablementValues = nil }), []signer{one}},
		{"a checkpoint with a short disablement value", state(func(s *tka.State) { s.DisablementValues = [][]byte{{1}} }), []signer{one}},
		{"a checkpoint with the same disablement value twice", state(func(s *tka.State) { s.DisablementValues = append(s.DisablementValues, s.DisablementValues[0]) }), []signer{one}},
		{"a checkpoint with 33 disablement values", state(func(s *tka.State) {
			for i := range 32 {
				s.DisablementValues = append(s.DisablementValues, bytes.Repeat([]byte{byte(i)}, 32))
			}
		}), []signer{one}},
		{"a checkpoint with a head", state(func(s *tka.State) { h := parent; s.LastAUMHash = &h }), []signer{one}},
		{"a checkpoint without a state", base(tka.AUMCheckpoint), []signer{one}},
		{"no operation", base(tka.AUMNoOp), []signer{two}},
		{"a kind of the future", base(77), []signer{two}},
		{"a kind of the future with a key", with(77, func(a *tka.AUM) { k := three.key(1); a.Key = &k }), []signer{two}},
		{"after another parent", func() tka.AUM { other := tka.AUMHash{1}; a := add; a.PrevAUMHash = other[:]; return a }(), []signer{one}},
		{"without a parent", func() tka.AUM { a := add; a.PrevAUMHash = nil; return a }(), []signer{one}},
	} {
		signed := sign(c.update, c.signers...)
		cases = append(cases, judge(c.name, signed.Serialize()))
	}
	return append(cases, malformed(sign(add, one))...)
}

// malformed are encodings that are damaged, or not canonical.
func malformed(update tka.AUM) (cases []updateCase) {
	good := update.Serialize()
	put := func(name string, serialized []byte, strict bool) {
		c := judge(name, serialized)
		if strict {
			c.Strict = true
		}
		cases = append(cases, c)
	}
	for _, n := range []int{0, 1, 2, 10, len(good) / 2, len(good) - 65, len(good) - 1} {
		put("cut after "+itoa(uint(n))+" bytes", good[:n], false)
	}
	put("with a byte more", append(bytes.Clone(good), 0), false)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	put("with a wrong signature", flipped, false)
	flipped = bytes.Clone(good)
	flipped[60] ^= 1
	put("with another key than was signed", flipped, false)
	// Head of the map, then key 1 and its value.
	longHead := append([]byte{0xb8, good[0] & 31}, good[1:]...)
	put("the length of the map in two bytes", longHead, true)
	longKind := append(append([]byte{good[0], good[1], 0x18}, good[2]), good[3:]...)
	put("the kind in two bytes", longKind, true)
	unknown := append([]byte{good[0] + 1}, good[1:]...)
	put("a member that nobody knows", append(unknown, 0x18, 30, 1), true)
	var swapped []byte
	swapped = append(swapped, good[0])
	swapped = append(swapped, good[3:3+1+2+32]...) // 2: the parent
	swapped = append(swapped, good[1:3]...)        // 1: the kind
	swapped = append(swapped, good[3+1+2+32:]...)
	put("members in another order", swapped, true)
	put("a member twice", append(append([]byte{good[0] + 1}, good[1:3]...), good[1:]...), false)
	indefinite := append(append([]byte{0xbf}, good[1:]...), 0xff)
	put("a map without a length", indefinite, false)
	put("a tag in front", append([]byte{0xd9, 0xd9, 0xf7}, good...), false)
	put("a list instead of a map", []byte{0x83, 1, 2, 3}, false)
	deep := append(bytes.Repeat([]byte{0xa1, 0x05}, 40), 0xf6)
	put("states in states", deep, false)
	big, err := cbor.Marshal(map[int]any{1: 3, 2: update.PrevAUMHash, 4: make([]byte, 5000)})
	must(err)
	put("5,000 bytes of a key's id", big, false)
	put("a length of 4 GB", []byte{0xa2, 1, 3, 2, 0x5a, 0xff, 0xff, 0xff, 0xff, 0}, false)
	put("a count of 2^63", []byte{0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 3}, false)
	return cases
}
