package main

import (
	"net/http"
	"reflect"
	"sync"
	"unsafe"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

// The few things that testcontrol can do but does not export. go.mod pins its version; a renamed field panics at the first use.

// private returns a pointer to the unexported field of the struct that v points to.
func private[T any](v any, name string) *T {
	field := reflect.ValueOf(v).Elem().FieldByName(name)
	if !field.IsValid() || field.Type() != reflect.TypeFor[T]() {
		panic("no such private field: " + name)
	}
	return (*T)(unsafe.Pointer(field.UnsafeAddr()))
}

// deleteNode forgets a node and ends its map stream, as an administrator's removal does.
func deleteNode(s *testcontrol.Server, n *tailcfg.Node) {
	mu := private[sync.Mutex](s, "mu")
	mu.Lock()
	delete(*private[map[key.NodePublic]*tailcfg.Node](s, "nodes"), n.Key)
	mu.Unlock()
	// A peer's upsert wakes every other stream; the stream of the deleted node finds no node and ends.
	s.SetGlobalAppCaps(*private[tailcfg.PeerCapMap](s, "globalAppCaps"))
	mu.Lock()
	defer mu.Unlock()
	wakeStream(s, n.ID)
}

// makeNodeTable makes the table of nodes, which testcontrol does only at the first registration.
func makeNodeTable(s *testcontrol.Server) {
	mu := private[sync.Mutex](s, "mu")
	mu.Lock()
	defer mu.Unlock()
	if nodes := private[map[key.NodePublic]*tailcfg.Node](s, "nodes"); *nodes == nil {
		*nodes = map[key.NodePublic]*tailcfg.Node{}
	}
}

// wakeStream wakes the stock stream of a node that is no longer in the table. The update channel's element type is
// unexported, so it is used through reflection. s.mu must be held.
func wakeStream(s *testcontrol.Server, id tailcfg.NodeID) {
	updates := reflect.ValueOf(s).Elem().FieldByName("updates")
	updates = reflect.NewAt(updates.Type(), unsafe.Pointer(updates.UnsafeAddr())).Elem()
	channel := updates.MapIndex(reflect.ValueOf(id))
	if channel.IsValid() {
		channel.TrySend(reflect.ValueOf(1).Convert(channel.Type().Elem()))
	}
}

// responseWriter is the HTTP response under a MapStreamWriter, for messages that testcontrol would not write, and whether
// the client asked for zstd.
func responseWriter(w testcontrol.MapStreamWriter) (writer http.ResponseWriter, compress bool) {
	return *private[http.ResponseWriter](w, "w"), *private[bool](w, "compress")
}
