package config

import _ "embed"

//go:generate go test -run TestGenerated -update .

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (2020-12) of the configuration file, for editors.
func Schema() []byte { return append([]byte(nil), schema...) }
