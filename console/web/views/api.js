/** API: the OpenAPI document, rendered by Swagger UI, which comes with the server. */

import { fill, h } from "../dom.js";
import { View as Base } from "../view.js";

/** @typedef {{(options: object): unknown}} SwaggerUi */

class ApiView extends Base {
  /** @param {import("../view.js").Context} context */
  constructor(context) {
    super(context);
    const t = context.words.t.bind(context.words);
    this.place = h("div", { class: "card swagger", dir: "ltr", lang: "en" });
    fill(
      this,
      h(
        "div",
        { class: "head" },
        h("div", null, h("h1", null, t("nav.api")), h("p", null, t("api.about"))),
        h("div", { class: "tools" }, h("a", { class: "button", href: "/openapi.json" }, "openapi.json")),
      ),
      this.place,
    );
    this.started = false;
  }

  shown() {
    if (this.started) return;
    this.started = true;
    this.place.append(h("div", { class: "skeleton", "aria-hidden": "true" }));
    this.load().catch((error) => {
      this.started = false;
      fill(
        this.place,
        this.problem(error, () => this.shown()),
      );
    });
  }

  async load() {
    const { api } = this.context;
    document.head.append(h("link", { rel: "stylesheet", href: "/docs/swagger-ui.css" }));
    await new Promise((done, failed) => {
      const script = h("script", { src: "/docs/swagger-ui-bundle.js" });
      script.addEventListener("load", done);
      script.addEventListener("error", () => failed(new Error(this.context.words.t("error.away"))));
      document.head.append(script);
    });
    const render = /** @type {SwaggerUi} */ (Reflect.get(window, "SwaggerUIBundle"));
    this.place.replaceChildren();
    render({
      url: "/openapi.json",
      domNode: this.place.appendChild(h("div")),
      deepLinking: false,
      validatorUrl: null,
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      /** @param {{headers: Record<string, string>}} request */
      requestInterceptor: (request) => {
        if (api.token) request.headers.Authorization ??= `Token ${api.token}`;
        return request;
      },
    });
  }
}
customElements.define("api-view", ApiView);

export { ApiView as View };
