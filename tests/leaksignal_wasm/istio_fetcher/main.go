// Fetches images with the very code that Istio's agent fetches WasmPlugins with, and prints a line of JSON for each.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"

	"istio.io/istio/pkg/wasm"
)

type outcome struct {
	Digest string `json:"digest"` // of the image's manifest
	Sha256 string `json:"sha256"` // of the module
	Error  string `json:"error"`
}

func fetch(fetcher *wasm.ImageFetcher, reference string) outcome {
	binary, digest, err := fetcher.PrepareFetch(reference)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	module, err := binary()
	if err != nil {
		return outcome{Digest: digest, Error: err.Error()}
	}
	sum := sha256.Sum256(module)
	return outcome{Digest: digest, Sha256: hex.EncodeToString(sum[:])}
}

func main() {
	fetcher := wasm.NewImageFetcher(context.Background(), wasm.ImageFetcherOption{Insecure: true})
	output := json.NewEncoder(os.Stdout)
	for _, reference := range os.Args[1:] {
		if err := output.Encode(fetch(fetcher, reference)); err != nil {
			panic(err)
		}
	}
}
