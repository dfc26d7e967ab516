// Which of these texts fits an image best? Go's standard library, nothing to install.
//
//	cd examples/go && go run . ../../part.jpg "a red bolt" "a blue mug"
//
// The address is CLIP_IN_URL (http://127.0.0.1:8080), the key CLIP_IN_API_KEY (none).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sort"
	"time"
)

// request is the body of POST /v1/similarity. encoding/json writes a []byte as base64, as the server reads it.
type request struct {
	Images [][]byte `json:"images"`
	Texts  []string `json:"texts"`
}

type answer struct {
	// Scores has a row for each image and a column for each text: cosines.
	Scores [][]float64 `json:"scores"`
	Error  *struct {
		// Code is stable, Message is for people.
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// similarity returns the cosine of an encoded image and each text, in the order of the texts.
func similarity(image []byte, texts []string) ([]float64, error) {
	url := os.Getenv("CLIP_IN_URL")
	if url == "" {
		url = "http://127.0.0.1:8080"
	}
	body, err := json.Marshal(request{Images: [][]byte{image}, Texts: texts})
	if err != nil {
		return nil, err
	}
	call, err := http.NewRequest(http.MethodPost, url+"/v1/similarity", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	call.Header.Set("content-type", "application/json")
	if key := os.Getenv("CLIP_IN_API_KEY"); key != "" {
		call.Header.Set("authorization", "Bearer "+key)
	}
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(call)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var got answer
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		return nil, err
	}
	if got.Error != nil {
		return nil, fmt.Errorf("%d %s: %s", response.StatusCode, got.Error.Code, got.Error.Message)
	}
	return got.Scores[0], nil
}

func run() error {
	if len(os.Args) < 3 {
		return fmt.Errorf("usage: %s IMAGE TEXT…", os.Args[0])
	}
	image, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	texts := os.Args[2:]
	scores, err := similarity(image, texts)
	if err != nil {
		return err
	}
	order := make([]int, len(texts))
	for index := range order {
		order[index] = index
	}
	sort.Slice(order, func(a, b int) bool { return scores[order[a]] > scores[order[b]] })
	for _, index := range order {
		fmt.Printf("%.4f\t%s\n", scores[index], texts[index])
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
