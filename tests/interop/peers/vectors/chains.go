package main

import (
	"encoding/hex"
	"strconv"

	"tailscale.com/tka"
	"tailscale.com/types/tkatype"
)

func itoa(n uint) string { return strconv.FormatUint(uint64(n), 10) }

// chainCase is an authority that is given updates list by list: whether each list is taken as a whole, and where its head is then.
type chainCase struct {
	Name    string     `json:"name"`
	Genesis string     `json:"genesis"`
	OK      bool       `json:"ok"` // the genesis
	Steps   []stepCase `json:"steps,omitempty"`
}

type stepCase struct {
	Updates   []string `json:"updates"`
	OK        bool     `json:"ok"`
	Head      string   `json:"head"`
	Keys      []string `json:"keys"`
	Ancestors []string `json:"ancestors"` // of the offer
}

// line makes updates one after the other.
type line struct {
	parent tka.AUMHash
	all    []tka.AUM
}

func (l *line) put(a tka.AUM, signers ...signer) *line {
	a.PrevAUMHash = append([]byte(nil), l.parent[:]...)
	signed := sign(a, signers...)
	l.parent = signed.Hash()
	l.all = append(l.all, signed)
	return l
}

func after(a tka.AUM) *line { return &line{parent: a.Hash()} }

func addKey(s signer, votes uint) tka.AUM {
	k := s.key(votes)
	return tka.AUM{MessageKind: tka.AUMAddKey, Key: &k}
}

func removeKey(s signer) tka.AUM {
	return tka.AUM{MessageKind: tka.AUMRemoveKey, KeyID: tkatype.KeyID(s.public)}
}

func setVotes(s signer, votes uint) tka.AUM {
	return tka.AUM{MessageKind: tka.AUMUpdateKey, KeyID: tkatype.KeyID(s.public), Votes: &votes}
}

func noOp() tka.AUM { return tka.AUM{MessageKind: tka.AUMNoOp} }

func run(name string, first tka.AUM, lists ...[]tka.AUM) chainCase {
	c := chainCase{Name: name, Genesis: hex.EncodeToString(first.Serialize())}
	chonk := tka.ChonkMem()
	authority, err := tka.Bootstrap(chonk, first)
	if err != nil {
		return c
	}
	c.OK = true
	for _, list := range lists {
		step := stepCase{OK: authority.Inform(chonk, list) == nil, Head: authority.Head().String(), Keys: keysOf(authority)}
		for _, a := range list {
			step.Updates = append(step.Updates, hex.EncodeToString(a.Serialize()))
		}
		offer, err := authority.SyncOffer(chonk)
		must(err)
		_, step.Ancestors, err = tka.FromSyncOffer(offer)
		must(err)
		c.Steps = append(c.Steps, step)
	}
	return c
}

func chains() []chainCase {
	g := genesis()
	long := after(g)
	for i := range 40 {
		if i%2 == 0 {
			long.put(addKey(newSigner(byte(10+i)), 1), one)
		} else {
			long.put(removeKey(newSigner(byte(10+i-1))), two)
		}
	}
	heavy := after(g).put(addKey(three, 1), one)     // 2 votes
	light := after(g).put(addKey(stranger, 1), two)  // 1 vote
	both := after(g).put(setVotes(two, 9), one, two) // 3 votes
	twice := after(g).put(setVotes(two, 5), two, two)
	removal := after(g).put(removeKey(two), one)
	longLight := after(g).put(noOp(), two).put(noOp(), two).put(noOp(), two)
	forgery := after(g).put(addKey(stranger, 1), stranger)
	shared := after(g).put(addKey(three, 4), one)
	shared2 := &line{parent: shared.parent}
	shared2.put(noOp(), one)
	shared3 := &line{parent: shared.parent}
	shared3.put(removeKey(one), three)
	orphan := &line{parent: tka.AUMHash{9}}
	orphan.put(noOp(), one)
	late := genesisState()
	late.Keys = append(late.Keys, three.key(1))
	lateCheckpoint := after(g).put(tka.AUM{MessageKind: tka.AUMCheckpoint, State: &late}, one)
	broken := append(after(g).put(noOp(), one).all, forgery.all...)
	unsigned := g
	unsigned.Signatures = nil
	bySomebody := unsigned
	bySomebody = sign(bySomebody, stranger)
	notCheckpoint := sign(addKey(three, 1), three)
	return []chainCase{
		run("a line of 40 updates, at once", g, long.all),
		run("a line of 40 updates, one by one", g, split(long.all)...),
		run("a line of 40 updates, again and again", g, long.all[:10], long.all[5:20], long.all, long.all),
		run("a fork: more votes, which came later", g, light.all, heavy.all),
		run("a fork: more votes, which came first", g, heavy.all, light.all),
		run("a fork of three: two signatures together", g, heavy.all, light.all, both.all),
		run("a fork: a key that signs twice counts once", g, heavy.all, twice.all),
		run("a fork of equal votes: the removal", g, heavy.all, removal.all),
		run("a fork of equal votes: the lowest hash", g, after(g).put(setVotes(two, 3), one).all, after(g).put(setVotes(two, 4), one).all, heavy.all),
		run("a fork: a long branch of few votes", g, longLight.all, heavy.all),
		run("a fork behind a shared update", g, shared.all, shared2.all, shared3.all),
		run("a fork after the fact", g, long.all[:12], after(long.all[5]).put(setVotes(one, 8), one, two).all),
		run("an update of a stranger", g, forgery.all),
		run("an update of a stranger after a good one: neither is taken", g, broken, heavy.all),
		run("an update without its parent", g, orphan.all),
		run("an update whose parent comes after it", g, []tka.AUM{shared2.all[0], shared.all[0]}, []tka.AUM{shared.all[0], shared2.all[0]}),
		run("a checkpoint on the way", g, lateCheckpoint.all, after(lateCheckpoint.all[0]).put(removeKey(one), three).all),
		run("no update", g, nil),
		run("that begins with a later checkpoint", lateCheckpoint.all[0], after(lateCheckpoint.all[0]).put(removeKey(one), three).all),
		run("that begins without a signature", unsigned),
		run("that begins with a stranger's signature", bySomebody),
		run("that begins with a key", notCheckpoint),
	}
}

func split(all []tka.AUM) (lists [][]tka.AUM) {
	for _, a := range all {
		lists = append(lists, []tka.AUM{a})
	}
	return lists
}
