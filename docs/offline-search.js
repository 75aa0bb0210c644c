// Search where the site is opened from a folder: browsers start no Worker from there, a hidden frame does its work.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inside = frame.contentWindow
      addEventListener("message", event => {
        if (event.source !== inside) return
        const passed = new MessageEvent("message", { data: event.data })
        this.dispatchEvent(passed)
        if (this.onmessage) this.onmessage(passed)
      })
      this.ready = new Promise(resolve => {
        inside.started = resolve
        inside.document.open()
        inside.document.write(
          "<script>postMessage = data => parent.postMessage(data, '*');" +
          "importScripts = (...urls) => Promise.all(urls.map(url => new Promise((done, failed) => {" +
          "const s = document.createElement('script'); s.src = url; s.onload = done; s.onerror = failed;" +
          "document.body.append(s) })))</" + "script>" +
          "<body><script src='" + url + "' onload='started()'></" + "script>")
        inside.document.close()
      })
      this.frame = frame
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() { this.frame.remove() }
  }
}
