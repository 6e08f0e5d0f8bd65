package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	"tailscale.com/tailcfg"
	"tailscale.com/tka"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/tstest/tkatest"
	"tailscale.com/types/tkatype"
)

// keyAuthority is what control has of tailnet lock: an official tka.Authority that it keeps and tells nodes of, and keys
// that an administrator would hold. Keys are called by names; what a name signs with follows from it.
type keyAuthority struct {
	c *control

	mu        sync.Mutex
	authority *tka.Authority // nil: the tailnet is not locked
	storage   tka.CompactableChonk
	genesis   tka.AUM
	ended     bool   // control says that the lock is over
	secret    []byte // what it proves that with
}

// lockSecret ends the lock.
var lockSecret = []byte("the secret that ends the lock of the interop tests")

// lockKey signs, by a name.
type lockKey string

func (k lockKey) private() ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, k)
	return ed25519.NewKeyFromSeed(seed)
}

func (k lockKey) public() ed25519.PublicKey { return k.private().Public().(ed25519.PublicKey) }

func (k lockKey) trusted() tka.Key {
	return tka.Key{Kind: tka.Key25519, Public: k.public(), Votes: 1}
}

// SignAUM is tka.Signer.
func (k lockKey) SignAUM(hash tkatype.AUMSigHash) ([]tkatype.Signature, error) {
	return []tkatype.Signature{{KeyID: tkatype.KeyID(k.public()), Signature: ed25519.Sign(k.private(), hash[:])}}, nil
}

// registerLock: lock.begin, lock.sign, lock.change, lock.end.
func registerLock(p *program, c *control) {
	command(p, "lock.begin", func(_ context.Context, a struct {
		Keys []lockKey `json:"keys"` // trusted from the beginning
	}) (any, error) {
		return none{}, c.lock.begin(a.Keys)
	})
	command(p, "lock.sign", func(_ context.Context, a struct {
		Node string  `json:"node"`
		By   lockKey `json:"by"` // "": the signature is taken away
	}) (any, error) {
		return none{}, c.lock.sign(a.Node, a.By)
	})
	command(p, "lock.change", func(_ context.Context, a struct {
		Add    []lockKey `json:"add"`
		Remove []lockKey `json:"remove"`
		By     lockKey   `json:"by"`
	}) (any, error) {
		return c.lock.change(a.Add, a.Remove, a.By)
	})
	command(p, "lock.end", func(_ context.Context, a struct {
		Right bool `json:"right"` // with the right secret
	}) (any, error) {
		return none{}, c.lock.end(a.Right)
	})
}

// install puts our answers in place of testcontrol's, which knows no end of a lock and takes no updates.
func (l *keyAuthority) install(s *testcontrol.Server) {
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/generate_204", nil)) // makes its own table
	field := private[*http.ServeMux](s, "mux")
	mux := http.NewServeMux()
	mux.Handle("/", *field)
	mux.HandleFunc("/machine/tka/bootstrap", l.serveBootstrap)
	mux.HandleFunc("/machine/tka/sync/offer", l.locked(tkatest.HandleTKASyncOffer))
	mux.HandleFunc("/machine/tka/sync/send", l.locked(tkatest.HandleTKASyncSend))
	*field = mux
}

func (l *keyAuthority) serveBootstrap(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var q tailcfg.TKABootstrapRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || l.storage == nil {
		http.Error(w, "no authority, or no question", http.StatusBadRequest)
		return
	}
	answer := tailcfg.TKABootstrapResponse{GenesisAUM: l.genesis.Serialize()}
	if l.ended {
		answer = tailcfg.TKABootstrapResponse{DisablementSecret: l.secret}
	}
	json.NewEncoder(w).Encode(answer)
}

func (l *keyAuthority) locked(handle func(http.ResponseWriter, *http.Request, *tka.Authority, tka.Chonk) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.authority == nil {
			http.Error(w, "no authority", http.StatusBadRequest)
			return
		}
		handle(w, r, l.authority, l.storage)
	}
}

// info is what a map says of it, nil before there was a lock.
func (l *keyAuthority) info() *tailcfg.TKAInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.authority == nil {
		return nil
	}
	if l.ended {
		return &tailcfg.TKAInfo{Disabled: true}
	}
	return &tailcfg.TKAInfo{Head: l.authority.Head().String()}
}

func (l *keyAuthority) begin(names []lockKey) error {
	if len(names) == 0 || l.c.director == nil {
		return errors.New("lock.begin needs a key, and a control with stream \"own\"")
	}
	state := tka.State{DisablementValues: [][]byte{tka.DisablementKDF(lockSecret)}, StateID1: 1, StateID2: 2}
	for _, name := range names {
		state.Keys = append(state.Keys, name.trusted())
	}
	storage := tka.ChonkMem()
	authority, genesis, err := tka.Create(storage, state, names[0])
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.authority, l.storage, l.genesis, l.ended = authority, storage, genesis, false
	l.mu.Unlock()
	// Without it the official client has nothing to do with a lock.
	for _, n := range l.c.server.AllNodes() {
		l.c.server.SetNodeCapMap(n.Key, tailcfg.NodeCapMap{tailcfg.CapabilityTailnetLock: nil})
	}
	l.c.wake()
	return nil
}

func (l *keyAuthority) sign(name string, by lockKey) error {
	n, err := l.c.find(name)
	if err != nil {
		return err
	}
	n.KeySignature = nil
	if by != "" {
		public, err := n.Key.MarshalBinary()
		if err != nil {
			return err
		}
		signature := tka.NodeKeySignature{SigKind: tka.SigDirect, Pubkey: public, KeyID: by.public()}
		hash := signature.SigHash()
		signature.Signature = ed25519.Sign(by.private(), hash[:])
		n.KeySignature = signature.Serialize()
	}
	l.c.server.UpdateNode(n)
	l.c.wake()
	return nil
}

func (l *keyAuthority) change(add, remove []lockKey, by lockKey) (any, error) {
	l.mu.Lock()
	if l.authority == nil {
		l.mu.Unlock()
		return nil, errors.New("the tailnet is not locked")
	}
	updater := l.authority.NewUpdater(by)
	var err error
	for _, k := range add {
		err = errors.Join(err, updater.AddKey(k.trusted()))
	}
	for _, k := range remove {
		err = errors.Join(err, updater.RemoveKey(tkatype.KeyID(k.public())))
	}
	if err == nil {
		var updates []tka.AUM
		if updates, err = updater.Finalize(l.storage); err == nil {
			err = l.authority.Inform(l.storage, updates)
		}
	}
	head := l.authority.Head().String()
	l.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("lock.change: %w", err)
	}
	l.c.wake()
	return map[string]string{"head": head}, nil
}

func (l *keyAuthority) end(isRight bool) error {
	l.mu.Lock()
	l.ended = true
	l.secret = lockSecret
	if !isRight {
		l.secret = bytes.Repeat([]byte{1}, 32)
	}
	l.mu.Unlock()
	l.c.wake()
	return nil
}
