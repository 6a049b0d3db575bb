package responses

import (
	"bytes"
	"encoding/json"
	"strings"

	"sluice/internal/wire"
)

// References returns the ids of the responses that a valid request's item references lead to, each once, in their order. Only items
// that were written here lead to a response: their ids are made of its id. Those of other items mean something to the provider that
// has stored them.
func References(body []byte) (ids []string) {
	if !bytes.Contains(body, []byte("item_reference")) {
		return nil
	}
	seen := map[string]bool{}
	eachElement(memberOf(body, "input"), func(item []byte) {
		if id, _ := referenced(item); id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	})
	return ids
}

// AppendResolved appends a valid request with the items themselves in place of references to items of stored answers, given by the
// responses' ids. Reasoning that only its provider could look up is left out, as in AppendContinued. A reference to anything else stays.
func AppendResolved(dst, body []byte, answers map[string][]byte) []byte {
	items := []byte{'['}
	eachElement(memberOf(body, "input"), func(item []byte) {
		if stored := outputItem(item, answers); stored != nil {
			if isBare(stored) {
				return
			}
			item = stored
		}
		if len(items) > 1 {
			items = append(items, ',')
		}
		items = append(items, item...)
	})
	dst = wire.AppendChanged(dst, body, &wire.Change{Drop: []string{"input"}})
	if dst = dst[:len(dst)-1]; dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(dst, `"input":`...), items...), "]}"...)
}

// outputItem returns the item that a reference leads to; nil if item is none, or leads nowhere.
func outputItem(item []byte, answers map[string][]byte) (found []byte) {
	response, id := referenced(item)
	if response == "" {
		return nil
	}
	eachElement(memberOf(answers[response], "output"), func(one []byte) {
		if wire.EqualString(memberOf(one, "id"), id) {
			found = one
		}
	})
	return found
}

// referenced returns what an item refers to: an item of ours, and the response that it is of. response is "" for any other item.
func referenced(item []byte) (response, id string) {
	if !wire.EqualString(memberOf(item, "type"), "item_reference") || json.Unmarshal(memberOf(item, "id"), &id) != nil {
		return "", ""
	}
	_, rest, _ := strings.Cut(id, "_") // behind the prefix of its kind
	at := strings.LastIndexByte(rest, '_')
	if at < 1 {
		return "", ""
	}
	return ID(rest[:at]), id
}
