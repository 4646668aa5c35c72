// Runs before the first paint and before the modules are there: sets the theme, so that a page never flashes in the
// other one, and sends the page's first requests, whose answers `api.js` takes.
{
  const theme = localStorage.getItem("glassbox.theme");
  if (theme) document.documentElement.dataset.theme = theme;

  const key = sessionStorage.getItem("glassbox.key") ?? localStorage.getItem("glassbox.key");
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  /** @type {Map<string, Promise<Response>>} */
  const answers = new Map();
  const send = (/** @type {string} */ path, answer = fetch(path, { headers })) => {
    answer.catch(() => {}); // the page reports it
    answers.set(path, answer);
    return answer;
  };
  Object.assign(window, { answers });
  setTimeout(() => {
    const main = document.getElementById("main");
    if (main && !main.hasChildNodes()) main.textContent = "The service has not sent the dashboard yet. Reload the page to try again.";
  }, 4000);

  send("/v1/me");
  const [, place, name] = /^\/ui\/(jobs|datasets)\/([^/]+)\/?$/.exec(location.pathname) ?? [];
  const path = `/v1/${place}/${name}`;
  const history = `${path}/history?limit=500`;
  if (place === "datasets") for (const part of ["", "/summary"]) send(path + part);
  if (place === "jobs")
    send(history, send(path).then(async (answer) => {
      if ((await answer.clone().json()).kind === "training") return fetch(history, { headers });
      throw new Error("the job has no history");
    }));
}
