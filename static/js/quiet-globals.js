// Alpine's CSP build looks at every global when it is loaded, and Chromium warns when a deprecated one is looked at.
delete globalThis.FencedFrame;
