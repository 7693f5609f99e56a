// Search in a site opened from a folder: browsers start no Worker for a file:// page, so its script runs in a hidden
// frame. The name ends the search for a copy of the iframe-worker package on the network.
if (location.protocol === "file:") {
  const inside = () => {
    window.importScripts = (...urls) =>
      urls.reduce((before, url) => before.then(() => new Promise((loaded, failed) => {
        const script = document.createElement("script")
        Object.assign(script, { src: url, onload: loaded, onerror: failed })
        document.body.append(script)
      })), Promise.resolve())
    window.postMessage = data => frameElement.answer(data)
  }

  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      frame.answer = data => this.dispatchEvent(new MessageEvent("message", { data }))
      this.ready = new Promise(ready => { frame.loaded = () => ready(frame.contentWindow) })
      const script = `<script>(${inside})()<\/script><script src="${url}" onload="frameElement.loaded()"><\/script>`
      frame.contentDocument.write(`<body>${script}</body>`)
      frame.contentDocument.close()
    }

    async postMessage(data) {
      const frame = await this.ready
      frame.dispatchEvent(new frame.MessageEvent("message", { data }))
    }
  }
}
