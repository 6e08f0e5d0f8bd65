package main

import (
	"bytes"
	"encoding/json"
)

// none is the argument of a command that takes none, and the result of one that has nothing to say.
type none struct{}

// strictUnmarshal is json.Unmarshal that refuses unknown members, so that a misspelt option of a test fails loudly.
func strictUnmarshal(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
